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
TOKEND_LICENSE = MIT or Apache-2.0
TOKEND_LICENSE_FILES = LICENSE-MIT LICENSE-APACHE

ifeq ($(TOKEND_SITE),)
TOKEND_SITE = file://$(BR2_EXTERNAL_TOKEND_PATH)/../../target/buildroot
BR_NO_CHECK_HASH_FOR += $(TOKEND_SOURCE)
endif

# Buildroot sets these for all packages; tokend is measured with its own. It is
# never busy, and on a set-top box every kilobyte of flash counts.
TOKEND_CARGO_ENV = \
	CARGO_PROFILE_RELEASE_OPT_LEVEL="z" \
	CARGO_PROFILE_RELEASE_LTO="fat" \
	CARGO_PROFILE_RELEASE_CODEGEN_UNITS="1"
# Stripping is Buildroot's to do, or not to do.
TOKEND_CARGO_ENV += CARGO_PROFILE_RELEASE_STRIP="none"

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

define TOKEND_PERMISSIONS
	/var/lib/tokend d 700 tokend tokend - - - - -
endef

$(eval $(cargo-package))
