# Profiles for lsm_test: all is allowed, but for a few files. Compiled by
# vm/tests.sh, and loaded by the test.
abi <abi/3.0>,

profile syslet-confined {
  capability,
  file,
  signal,
  ptrace,
  unix,
  network,
  mount,
  umount,
  change_profile,
  deny /tmp/lsm.confined rw,

  ^hat {
    capability,
    file,
    signal,
    unix,
    change_profile,
    deny /tmp/lsm.confined rw,
    deny /tmp/lsm.hat rw,
  }
}

profile syslet-other {
  capability,
  file,
  signal,
  ptrace,
  unix,
  network,
  mount,
  umount,
  change_profile,
  deny /tmp/lsm.other rw,
}
