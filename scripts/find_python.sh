#!/bin/sh
# Print the first of python3, python3.13, python3.12, python3.11 that is 3.11, 3.12 or 3.13.
for name in "$@" python3 python3.13 python3.12 python3.11; do
    if "$name" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
    then
        command -v "$name"
        exit 0
    fi
    [ $# -gt 0 ] && exit 1 # one was asked for by name; no other will do
done
exit 1
