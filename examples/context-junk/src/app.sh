#!/bin/sh
# The whole application: two files are all that its image needs.
cat "$(dirname "$0")/message.txt"
