################################################################################
#
# tokend
#
################################################################################

TOKEND_VERSION = 0.1.0
# Made by cross/buildroot/dist, with the crates inside, so that Buildroot has
# nothing to vendor. Not the checkout itself by the method "local": that skips
# the download step, and with it all vendoring.
TOKEND_SOURCE = tokend-$(TOKEND_VERSION)-vendored.tar.gz
TOKEND_SITE = $(call qstrip,$(BR2_PACKAGE_TOKEND_SITE))
TOKEND_LICENSE = MIT or Apache-2.0 (tokend), \
	Apache-2.0, BSD-3-Clause, CDLA-Permissive-2.0, ISC, MIT, Unicode-3.0 (crates)
TOKEND_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE \
	cross/compliance/THIRD-PARTY-LICENSES.txt

ifeq ($(TOKEND_SITE),)
TOKEND_SITE = file://$(BR2_EXTERNAL_TOKEND_PATH)/../../target/buildroot
BR_NO_CHECK_HASH_FOR += $(TOKEND_SOURCE)
endif

# Said before anything is built, by the Rust itself: a Buildroot from git does not
# always know its own release.
ifeq ($(BR2_PACKAGE_TOKEND)$(BR_BUILDING),yy)
ifeq ($(shell test "$(word 2,$(subst ., ,$(RUST_BIN_VERSION)))" -ge 89 && echo new),)
$(error tokend needs Rust 1.89 or later, and this Buildroot has $(RUST_BIN_VERSION): take 2026.05 or later)
endif
endif

# Buildroot sets these for all packages; tokend is measured with its own. It is
# never busy, and on a set-top box every kilobyte of flash counts.
TOKEND_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1"
# Stripping is Buildroot's to do, or not to do.
TOKEND_CARGO_ENV += CARGO_PROFILE_RELEASE_STRIP="none"
# What .cargo/config.toml of the checkout says for ARMv7, a quarter smaller; last,
# since Buildroot sets the variable too, with the flag for the linker.
TOKEND_CARGO_ENV += $(if $(filter armv7-%,$(RUSTC_TARGET_NAME)), \
	CARGO_TARGET_$(call UPPERCASE,$(RUSTC_TARGET_NAME))_RUSTFLAGS="$(TOKEND_ARMV7_FLAGS)")
TOKEND_ARMV7_FLAGS = -Clink-arg=-Wl,--allow-multiple-definition \
	-Ctarget-feature=+thumb-mode -Cforce-unwind-tables=no

TOKEND_CARGO_BUILD_OPTS = --bin tokend --no-default-features
ifeq ($(BR2_PACKAGE_TOKEND_PKCS11),y)
TOKEND_CARGO_BUILD_OPTS += --features pkcs11
endif
ifeq ($(BR2_PACKAGE_TOKEND_ROOTS),y)
TOKEND_CARGO_BUILD_OPTS += --features roots
endif

TOKEND_PLATFORM = $(call qstrip,$(BR2_PACKAGE_TOKEND_PLATFORM))
TOKEND_PROGRAM = target/$(RUSTC_TARGET_NAME)/$(if $(BR2_ENABLE_DEBUG),debug,release)/tokend

define TOKEND_INSTALL_TARGET_CMDS
	$(@D)/cross/install.sh --binary $(@D)/$(TOKEND_PROGRAM) \
		$(if $(TOKEND_PLATFORM),--platform $(TOKEND_PLATFORM)) \
		$(TARGET_DIR)
endef

# The bus policies of these two name the group.
ifneq ($(filter rdk webos,$(TOKEND_PLATFORM)),)
define TOKEND_PLAYERS
	- -1 players -1 - - - - Player applications
endef
endif

define TOKEND_USERS
	tokend -1 tokend -1 * /var/lib/tokend - - Adobe Pass credentials and tokens
	$(TOKEND_PLAYERS)
endef

# The program cannot be read, so that no process of its user can look into it.
define TOKEND_PERMISSIONS
	/usr/bin/tokend f 711 root root - - - - -
	/var/lib/tokend d 700 tokend tokend - - - - -
endef

$(eval $(cargo-package))
