#!/bin/sh
# slipway sets GIT_REV to the deployed commit.
printf 'Content-Type: text/plain\r\n\r\nHello from slipway, %.7s\n' "$GIT_REV"
