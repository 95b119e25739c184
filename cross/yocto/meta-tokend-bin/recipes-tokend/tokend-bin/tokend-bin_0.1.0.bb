# tokend as cross/build or the SDK's compiler has built it, for releases whose Rust is too old.
require ../../../tokend.inc

SUMMARY .= ", built beforehand"

# The program, for this machine's architecture and for a C library no newer than this release's.
TOKEND_BINARY ?= ""
TOKEND_PROGRAM = "${TOKEND_BINARY}"

EXCLUDE_FROM_WORLD = "1"

do_configure[noexec] = "1"
do_compile[noexec] = "1"
do_install[file-checksums] += "${@d.getVar('TOKEND_BINARY') + ':True' if d.getVar('TOKEND_BINARY') else ''}"

PROVIDES += "tokend"
RPROVIDES:${PN} += "tokend"
RCONFLICTS:${PN} += "tokend"

# It is stripped already, and by another linker's flags.
INSANE_SKIP:${PN} += "already-stripped ldflags"
