# SPDX-License-Identifier: GPL-2.0-only
#
# The way in: see README. Everything is built below build/.
#
# GUEST=normal|debug|kcsan picks a kernel, LIMIT=seconds bounds a guest, V=1 shows
# the commands of the library's build. SECONDS and SEED are for make stress and
# make fuzz.
GUEST	?= normal
SECONDS	?= 60
export GUEST LIMIT SHARE QEMU_OPTS TREE

all: run

help:
	@sed -n 's/^\(make [^ ]*\) *\(.*\)/\1\t\2/p' README

kernel:
	@vm/kernel.sh $(GUEST)

lib:
	@$(MAKE) --no-print-directory -C lib/libsyslet lib

install:
	@$(MAKE) --no-print-directory -C lib/libsyslet install

lib-check:
	@$(MAKE) --no-print-directory -C lib/libsyslet check

fio:
	@$(MAKE) --no-print-directory -C fio

fio-check:
	@$(MAKE) --no-print-directory -C fio check

deb-check:
	@vm/deb-check.sh

# What the guest runs: selftests, the library's programs, benchmarks; fio, if there
# is a network to get its source from.
image: kernel
	@vm/tests.sh
	@$(MAKE) --no-print-directory -C lib/libsyslet all tests
	@$(MAKE) --no-print-directory -C bench
	@if fio/source.sh; then $(MAKE) --no-print-directory -C fio; \
	else echo "  == going on: the guest will have no fio" >&2; fi
	@vm/image.sh

run: image
	@vm/run.sh

check: image
	@vm/check.sh

check-debug:
	@$(MAKE) --no-print-directory GUEST=debug check stress

check-kcsan:
	@$(MAKE) --no-print-directory GUEST=kcsan check

stress: image
	@vm/stress.sh "$(SECONDS)" $(SEED)

# What fuzzing is to find, a kernel for debugging tells.
fuzz: GUEST := $(if $(filter file,$(origin GUEST)),debug,$(GUEST))
fuzz: image
	@vm/fuzz.sh "$(SECONDS)" $(SEED)

bench: image
	@vm/bench.sh

guest: image
	@vm/guest.sh '$(subst ','\'',$(CMD))'

shell: image
	@vm/guest.sh --shell

lint:
	@vm/lint.sh

clean:
	rm -rf build

.PHONY: all help kernel lib install lib-check fio fio-check deb-check image run check check-debug check-kcsan stress fuzz bench guest shell lint clean
