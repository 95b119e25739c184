// SPDX-License-Identifier: MIT OR Apache-2.0
//! The table: faulty files, each with all that is said about it.

/// What stands after a good `tokend.toml`, and what is said about it; `T` is `tokend.toml`, `URL`
/// what is legal as a url.
pub(crate) const SETTINGS: &[(&str, &str)] = &[
    // No TOML.
    ("[log", "T:3: no TOML: unclosed table; legal: `]`"),
    ("a b", "T:3: no TOML: key with no value; legal: `=`"),
    (
        "[log]\nlevel = info",
        "T:4: level: no TOML: found a word without quotes; legal: \"TEXT\", 123, true, false",
    ),
    ("[log]\nlevel = \"info", "T:4: level: no TOML: invalid basic string; legal: `\"`"),
    (
        "[log]\nlevel = \"info\"\nlevel = \"warn\"",
        "T:5: level: no TOML: duplicate key; legal: one KEY = VALUE a line",
    ),
    ("[storage]\nkey_file = \"a\"", "T:3: no TOML: duplicate key; legal: one KEY = VALUE a line"),
    (
        "[device]\nconnectionSecure = true # yes\nconnectionSecure = true # yes",
        "T:5: connectionSecure: no TOML: duplicate key; legal: one KEY = VALUE a line",
    ),
    // Keys and types.
    (
        "[sever]\nurl = \"https://a\"",
        "T:3: sever: unknown key; legal: reload_users, server, storage, device, clock, log",
    ),
    (
        "[server]\n\nuri = \"https://a\"",
        "T:5: server.uri: unknown key; legal: url, same_server_as, ca_file, timeout_seconds, user_agent, reregister_after_seconds",
    ),
    (
        "pkcs11_pin = \"1234\"",
        "T:3: storage.pkcs11_pin: unknown key; legal: seal, key_file, pkcs11_module, pkcs11_token, pkcs11_key, pkcs11_pin_file",
    ),
    (
        "[clock]\nsynchronised_file = \"/a\"",
        "T:4: clock.synchronised_file: unknown key; legal: synchronized_file",
    ),
    (
        "\"\" = 3",
        "T:3: storage.\"\": unknown key; legal: seal, key_file, pkcs11_module, pkcs11_token, pkcs11_key, pkcs11_pin_file",
    ),
    ("[log]\nverbosity = 3", "T:4: log.verbosity: unknown key; legal: target, level"),
    ("[[server]]\nurl = \"https://a\"", "T:3: server: found an array; legal: a table"),
    ("[server]\nurl = [\"https://a\"]", "T:4: server.url: found an array; legal: a string"),
    (
        "[server]\ntimeout_seconds = \"15\"",
        "T:4: server.timeout_seconds: found a string; legal: an integer",
    ),
    (
        "[server]\ntimeout_seconds = 1.5",
        "T:4: server.timeout_seconds: found a float; legal: an integer",
    ),
    ("[log]\nlevel = true", "T:4: log.level: found a boolean; legal: a string"),
    ("[log]\nlevel = 1979-05-27", "T:4: log.level: found a date or time; legal: a string"),
    // [server]
    (
        "[server]\nurl = \"http://api.auth.adobe.com\"",
        "T:4: server.url: found http to api.auth.adobe.com, which is no loopback address; URL",
    ),
    (
        "[server]\nurl = \"https://api.auth.adobe.com/o/client\"",
        "T:4: server.url: found a path; URL",
    ),
    (
        "[server]\nurl = \"https://user:sesame@a\"",
        "T:4: server.url: found a user name or password; URL",
    ),
    ("[server]\nurl = \"https://a?key=sesame\"", "T:4: server.url: found a query; URL"),
    (
        "[server]\nurl = \"api.auth.adobe.com\"",
        "T:4: server.url: found no \"https://\" at its start; URL",
    ),
    (
        "[server]\nurl = \"https://a:99999\"",
        "T:4: server.url: found a port that is none of 1 to 65535; URL",
    ),
    ("[server]\ntimeout_seconds = 0", "T:4: server.timeout_seconds: found 0; legal: 1 to 300"),
    ("[server]\ntimeout_seconds = 301", "T:4: server.timeout_seconds: found 301; legal: 1 to 300"),
    (
        "[server]\nreregister_after_seconds = -5",
        "T:4: server.reregister_after_seconds: found -5; legal: 1 to 86400",
    ),
    (
        "[server]\nreregister_after_seconds = 99999999999999999999",
        "T:4: server.reregister_after_seconds: found 9223372036854775807; legal: 1 to 86400",
    ),
    (
        "[server]\nuser_agent = \"a\\r\\nX-Evil: 1\"",
        "T:4: server.user_agent: found \"a\\r\\nX-Evil: 1\" (12 characters); legal: 1 to 1024 characters of printable ASCII, no space at either end",
    ),
    (
        "[server]\nuser_agent = \"\"",
        "T:4: server.user_agent: found an empty string; legal: 1 to 1024 characters of printable ASCII, no space at either end",
    ),
    (
        "[server]\nsame_server_as = [\"https://a\", \"ftp://b\"]",
        "T:4: server.same_server_as[1]: found another scheme than https or http; URL",
    ),
    (
        "[server]\nsame_server_as = \"https://a\"",
        "T:4: server.same_server_as: found a string; legal: an array, each entry a string",
    ),
    (
        "[server]\nca_file = \"\"",
        "T:4: server.ca_file: found an empty string; legal: a path without control characters",
    ),
    // [storage]
    (
        "key_file = \"seal.key\"",
        "T:3: storage.key_file: found with seal = \"generated\"; legal: only with seal = \"key-file\"",
    ),
    (
        "pkcs11_pin_file = \"pin\"",
        "T:3: storage.pkcs11_pin_file: found with seal = \"generated\"; legal: only with seal = \"pkcs11\"",
    ),
    // [device]
    (
        "[device]\nosname = \"Linux\"",
        "T:4: device.osname: unknown key; legal: primaryHardwareType, model, version, manufacturer, vendor, osName, osFamily, osVendor, osVersion, browserName, browserVendor, browserVersion, userAgent, displayWidth, displayHeight, displayPpi, diagonalScreenSize, connectionIp, connectionPort, connectionType, connectionSecure, identity, identity_file",
    ),
    (
        "[device]\nosName = \"linux\"",
        "T:4: device.osName: found \"linux\"; legal: one of \"Android\", \"Chrome OS\", \"Linux\", \"Mac OS\", \"OS X\", \"OpenBSD\", \"Roku OS\", \"Windows\", \"iOS\", \"tvOS\", \"webOS\"",
    ),
    ("[device]\nmodel = 5", "T:4: device.model: found an integer; legal: a string"),
    (
        "[device]\nmodel = \" \"",
        "T:4: device.model: found an empty string; legal: 1 to 256 printable characters",
    ),
    (
        "[device]\ndisplayWidth = \"1920\"",
        "T:4: device.displayWidth: found a string; legal: an integer",
    ),
    (
        "[device]\ndisplayWidth = 0",
        "T:4: device.displayWidth: found 0; legal: a whole number from 1 to 4294967295",
    ),
    (
        "[device]\ndisplayPpi = -96",
        "T:4: device.displayPpi: found -96; legal: a whole number from 1 to 4294967295",
    ),
    (
        "[device]\ndiagonalScreenSize = -54.6",
        "T:4: device.diagonalScreenSize: found -54.6; legal: a number of inches from 0.1 to 1000",
    ),
    (
        "[device]\ndiagonalScreenSize = nan",
        "T:4: device.diagonalScreenSize: found nan; legal: a number of inches from 0.1 to 1000",
    ),
    (
        "[device]\ndiagonalScreenSize = \"55\"",
        "T:4: device.diagonalScreenSize: found a string; legal: a number",
    ),
    (
        "[device]\nconnectionSecure = \"yes\"",
        "T:4: device.connectionSecure: found a string; legal: true or false",
    ),
    (
        "[device]\nidentity = \"sesame\\n\"",
        "T:4: device.identity: found no legal identity; legal: 1 to 256 printable characters",
    ),
    (
        "[device]\nidentity = \"sesame\"\nidentity_file = \"/a\"",
        "T:5: device.identity_file: found beside identity; legal: one of identity, identity_file",
    ),
    (
        "[device]\nidentity_file = \"serial\"",
        "T:4: device.identity_file: found \"serial\"; legal: an absolute path",
    ),
    // [clock], [log], reload_users
    (
        "[clock]\nsynchronized_file = \"synchronized\"",
        "T:4: clock.synchronized_file: found \"synchronized\"; legal: an absolute path",
    ),
    (
        "[log]\ntarget = \"journal\"",
        "T:4: log.target: found \"journal\"; legal: auto, syslog, stderr",
    ),
    (
        "[log]\nlevel = \"INFO\"",
        "T:4: log.level: found \"INFO\"; legal: error, warn, info, debug, trace, off",
    ),
];

/// A whole `tokend.toml`, and what is said about it.
pub(crate) const WHOLE: &[(&str, &str)] = &[
    ("", "T: storage.seal: left out, and there is no default; legal: key-file, pkcs11, generated"),
    (
        "\n[storage]\n",
        "T:2: storage.seal: left out, and there is no default; legal: key-file, pkcs11, generated",
    ),
    ("storage = \"generated\"", "T:1: storage: found a string; legal: a table"),
    ("[storage]\nseal = 1", "T:2: storage.seal: found an integer; legal: a string"),
    (
        "[storage]\nseal = \"tpm\"",
        "T:2: storage.seal: found \"tpm\"; legal: key-file, pkcs11, generated",
    ),
    (
        "[storage]\nseal = \"key-file\"",
        "T:1: storage.key_file: left out; legal: the path of a file of 32 bytes or more",
    ),
    (
        "[storage]\nseal = \"key-file\"\nkey_file = \"a\\u0000b\"",
        "T:3: storage.key_file: found \"a\\0b\" (3 characters); legal: a path without control characters",
    ),
    (
        "[storage]\nseal = \"key-file\"\nkey_file = \"a\"\npkcs11_key = \"k\"",
        "T:4: storage.pkcs11_key: found with seal = \"key-file\"; legal: only with seal = \"pkcs11\"",
    ),
    (
        "[storage]\nseal = \"pkcs11\"\npkcs11_module = \"/a.so\"\npkcs11_token = \"t\"",
        "T:1: storage.pkcs11_key: left out; legal: the label of a key",
    ),
    (
        "[storage]\nseal = \"pkcs11\"\npkcs11_module = \"/a.so\"\npkcs11_key = \"k\"",
        "T:1: storage.pkcs11_token: left out; legal: the label of a token",
    ),
    (
        "[storage]\nseal = \"pkcs11\"\npkcs11_token = \"t\"\npkcs11_key = \"k\"",
        "T:1: storage.pkcs11_module: left out; legal: the absolute path of a PKCS #11 module",
    ),
    (
        "[storage]\nseal = \"pkcs11\"\npkcs11_module = \"a.so\"\npkcs11_token = \"t\"\npkcs11_key = \"k\"",
        "T:3: storage.pkcs11_module: found \"a.so\"; legal: an absolute path",
    ),
    (
        "[storage]\nseal = \"pkcs11\"\npkcs11_module = \"/a.so\"\npkcs11_token = \"\"\npkcs11_key = \"k\"",
        "T:4: storage.pkcs11_token: found an empty string; legal: 1 to 256 printable characters",
    ),
    (
        "reload_users = \"appmanager\"\n[storage]\nseal = \"generated\"",
        "T:1: reload_users: found a string; legal: an array, each entry a string or an integer",
    ),
    (
        "reload_users = [\n  990,\n  true,\n]\n[storage]\nseal = \"generated\"",
        "T:3: reload_users[1]: found a boolean; legal: a string or an integer",
    ),
    (
        "reload_users = [\"a b\"]\n[storage]\nseal = \"generated\"",
        "T:1: reload_users[0]: found \"a b\" (3 characters); legal: the name or the number of a user, at most 256 characters, no white space, no colon",
    ),
];

/// A whole application file, and what is said about it; `A` is that file.
pub(crate) const APPLICATION: &[(&str, &str)] = &[
    (
        "",
        "A: software_statement_file: left out; legal: the path of a file that holds a software statement",
    ),
    (
        "software_statement_file = 1",
        "A:1: software_statement_file: found an integer; legal: a string",
    ),
    (
        "software_statement_file = \"\"",
        "A:1: software_statement_file: found an empty string; legal: a path without control characters",
    ),
    (
        "software_statement_file = \"eyJhbGciOiJSUzI1NiJ9.e30.sesame\"",
        "A:1: software_statement_file: found a software statement; legal: the path of the file that holds it",
    ),
    ("eyJhbGciOiJSUzI1NiJ9.e30.sesame", "A:1: no TOML: key with no value; legal: `=`"),
    (
        "software_statement_file = \"a\"\nsoftware_statement = \"sesame\"",
        "A:2: software_statement: unknown key; legal: software_statement_file, redirect_uri, application_id, allow_users, allow_groups, allow_labels",
    ),
    (
        "software_statement_file = \"a\"\nredirect_uri = \"programmer\"",
        "A:2: redirect_uri: found \"programmer\" (10 characters); legal: an absolute URI (SCHEME:…) of at most 2048 visible ASCII characters",
    ),
    (
        "software_statement_file = \"a\"\nredirect_uri = \"app://a b\"",
        "A:2: redirect_uri: found \"app://a b\" (9 characters); legal: an absolute URI (SCHEME:…) of at most 2048 visible ASCII characters",
    ),
    (
        "software_statement_file = \"a\"\nredirect_uri = \"1app:a\"",
        "A:2: redirect_uri: found \"1app:a\" (6 characters); legal: an absolute URI (SCHEME:…) of at most 2048 visible ASCII characters",
    ),
    (
        "software_statement_file = \"a\"\napplication_id = \"\"",
        "A:2: application_id: found an empty string; legal: 1 to 256 printable characters",
    ),
    (
        "software_statement_file = \"a\"\nallow_users = 1001",
        "A:2: allow_users: found an integer; legal: an array, each entry a string or an integer",
    ),
    (
        "software_statement_file = \"a\"\nallow_users = [1001, -1]",
        "A:2: allow_users[1]: found -1; legal: 0 to 4294967294",
    ),
    (
        "software_statement_file = \"a\"\nallow_users = [\"4294967295\"]",
        "A:2: allow_users[0]: found 4294967295; legal: 0 to 4294967294",
    ),
    (
        "software_statement_file = \"a\"\nallow_groups = [\"\"]",
        "A:2: allow_groups[0]: found an empty string; legal: the name or the number of a group, at most 256 characters, no white space, no colon",
    ),
    (
        "software_statement_file = \"a\"\nallow_labels = [1]",
        "A:2: allow_labels[0]: found an integer; legal: a string",
    ),
    (
        "software_statement_file = \"a\"\nallow_labels = [\"\"]",
        "A:2: allow_labels[0]: found an empty string; legal: 1 to 4095 printable characters",
    ),
    (
        "software_statement_file = \"a\"\nallow_labels = \"User::App::cinema\"",
        "A:2: allow_labels: found a string; legal: an array, each entry a string",
    ),
    (
        "software_statement_file = \"a\"\n[server]\nurl = \"https://a\"",
        "A:2: server: unknown key; legal: software_statement_file, redirect_uri, application_id, allow_users, allow_groups, allow_labels",
    ),
];
