//! The fields of `X-Device-Info` (contract, section 3).

/// A value of one field.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A string.
    Text(String),
    /// A whole number.
    Number(u32),
    /// A number with a fraction.
    Decimal(f64),
    /// A boolean.
    Flag(bool),
}

/// The type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A whole number.
    Number,
    /// A number with a fraction.
    Decimal,
    /// A boolean.
    Flag,
}

macro_rules! fields {
    ($($name:ident $key:literal $kind:ident $required:literal [$($legal:literal),*];)*) => {
        /// A field of `X-Device-Info`.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $(#[doc = $key] $name,)*
        }

        impl Field {
            /// All of them, in the order of the contract.
            pub const ALL: [Field; 22] = [$(Field::$name),*];

            /// Its name in the JSON object.
            #[must_use]
            pub fn key(self) -> &'static str {
                match self { $(Field::$name => $key,)* }
            }

            /// The type of its value.
            #[must_use]
            pub fn kind(self) -> Kind {
                match self { $(Field::$name => Kind::$kind,)* }
            }

            /// The only values that it takes, where there is such a list.
            #[must_use]
            pub fn legal(self) -> Option<&'static [&'static str]> {
                let list: &'static [&'static str] = match self { $(Field::$name => &[$($legal),*],)* };
                (!list.is_empty()).then_some(list)
            }

            /// Whether it is always present.
            #[must_use]
            pub fn required(self) -> bool {
                match self { $(Field::$name => $required,)* }
            }
        }
    };
}

fields! {
    PrimaryHardwareType "primaryHardwareType" Text false ["Camera", "DataCollectionTerminal", "Desktop", "EmbeddedNetworkModule", "eReader", "GamesConsole", "GeolocationTracker", "Glasses", "MediaPlayer", "MobilePhone", "PaymentTerminal", "PluginModem", "SetTopBox", "TV", "Tablet", "WirelessHotspot", "Wristwatch", "Unknown"];
    Model "model" Text true [];
    Version "version" Text true [];
    Manufacturer "manufacturer" Text false [];
    Vendor "vendor" Text false [];
    OsName "osName" Text true ["Android", "Chrome OS", "Linux", "Mac OS", "OS X", "OpenBSD", "Roku OS", "Windows", "iOS", "tvOS", "webOS"];
    OsFamily "osFamily" Text false ["Android", "BSD", "Linux", "PlayStation OS", "Roku OS", "Symbian", "Tizen", "Windows", "iOS", "tvOS", "macOS", "webOS"];
    OsVendor "osVendor" Text false ["Amazon", "Apple", "Google", "LG", "Microsoft", "Mozilla", "Nintendo", "Nokia", "Roku", "Samsung", "Sony", "Tizen Project"];
    OsVersion "osVersion" Text true [];
    BrowserName "browserName" Text false ["Android Browser", "Chrome", "Edge", "Firefox", "Internet Explorer", "Opera", "Safari", "SeaMonkey", "Symbian Browser"];
    BrowserVendor "browserVendor" Text false ["Amazon", "Apple", "Google", "Microsoft", "Motorola", "Mozilla", "Netscape", "Nintendo", "Nokia", "Samsung", "Sony Ericsson"];
    BrowserVersion "browserVersion" Text false [];
    UserAgent "userAgent" Text false [];
    DisplayWidth "displayWidth" Number false [];
    DisplayHeight "displayHeight" Number false [];
    DisplayPpi "displayPpi" Number false [];
    DiagonalScreenSize "diagonalScreenSize" Decimal false [];
    ConnectionIp "connectionIp" Text false [];
    ConnectionPort "connectionPort" Text false [];
    ConnectionType "connectionType" Text true [];
    ConnectionSecure "connectionSecure" Flag false [];
    ApplicationId "applicationId" Text false [];
}

impl Field {
    /// The field of this name.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Field> {
        Field::ALL.into_iter().find(|field| field.key() == key)
    }
}

/// Whether `value` is legal for `field`. The error follows the name of the field: "must be …".
pub fn check(field: Field, value: &Value) -> Result<(), String> {
    match (field.legal(), value) {
        (Some(legal), Value::Text(text)) if !legal.contains(&text.as_str()) => {
            let quoted: Vec<_> = legal.iter().map(|value| format!("\"{value}\"")).collect();
            Err(format!("must be one of {}", quoted.join(", ")))
        }
        (None, Value::Text(text))
            if text.chars().count() > 256 || text.chars().any(char::is_control) =>
        {
            Err("must be at most 256 characters, none a control character".to_owned())
        }
        (_, Value::Number(0)) => Err(format!("must be a whole number from 1 to {}", u32::MAX)),
        (_, Value::Decimal(inches)) if !(0.1..=1000.0).contains(inches) => {
            Err("must be a number of inches from 0.1 to 1000".to_owned())
        }
        _ => Ok(()),
    }
}
