#!/bin/sh
# One request on standard input, one answer on standard output.
while IFS= read -r line && [ -n "${line%?}" ]; do :; done
body="the same service on any base"
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n' "$((${#body} + 1))" "$body"
