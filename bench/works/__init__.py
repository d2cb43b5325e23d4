"""One file for each piece of work; ``cases(room)`` yields what is measured."""
