#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# make bench: cost of calls in instructions, on one virtual CPU whose clock
# counts them.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)

ICOUNT=1 "$top/vm/guest.sh" bench-micro | tee "$top/build/bench/micro.txt"
