#!/bin/sh
# GIT_REV holds the commit that runs.
printf 'Content-Type: text/plain\r\n\r\nHello from slipway, %.7s\n' "$GIT_REV"
