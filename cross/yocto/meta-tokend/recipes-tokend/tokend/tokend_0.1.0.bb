require ../../../tokend.inc

inherit cargo cargo-update-recipe-crates

SRC_URI = "${TOKEND_SRC_URI}"
require ${BPN}-crates.inc

# The seal in secure hardware: the program then loads the PKCS#11 module that tokend.toml names. Which
# module (optee-client, tpm2-pkcs11) is the image's choice.
# roots: Mozilla's root certificates in the program, for an image without ca-certificates.
PACKAGECONFIG ??= "pkcs11 roots"
PACKAGECONFIG[pkcs11] = "--features=pkcs11,,,"
PACKAGECONFIG[roots] = "--features=roots,,,"
# Newer releases pass PACKAGECONFIG_CONFARGS themselves, scarthgap does not; cargo takes it twice.
CARGO_BUILD_FLAGS:append = " --no-default-features ${PACKAGECONFIG_CONFARGS}"

# The C code in crates (ring's) names its files, which lie in cargo's home and not in ${S}: without this
# they name the build directory, and do_package_qa refuses them (buildpaths).
DEBUG_PREFIX_MAP:append = " -ffile-prefix-map=${CARGO_HOME}=${TARGET_DBGSRC_DIR}"

# Yocto's standard library has no abort; a panic ends tokend all the same (src/system/process.rs).
export CARGO_PROFILE_RELEASE_PANIC = "unwind"
# Yocto strips, and keeps the symbols for -dbg.
export CARGO_PROFILE_RELEASE_STRIP = "none"

TOKEND_PROGRAM = "${B}/target/${CARGO_TARGET_SUBDIR}/tokend"
