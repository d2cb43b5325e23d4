"""The vocabulary of OCI images. Pure: values, parsing and printing, no input or output."""
