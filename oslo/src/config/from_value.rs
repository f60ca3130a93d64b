//! From a value of the tables to the Rust type that a `Config` wants.

use std::collections::BTreeMap;

use super::kind::Value;
use crate::Secret;

pub trait FromValue: Default {
    /// Nothing if the option is of another type.
    fn from_value(value: &Value) -> Option<Self>;

    /// What an option without value and without default is; nothing if the type cannot say "unset".
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: &Value) -> Option<Self> {
        T::from_value(value).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

macro_rules! plain {
    ($($type:ty: $variant:ident),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::$variant(inner) = value { Some(inner.clone()) } else { None }
            }
        }
    )*};
}
plain!(String: Text, Secret: Secret, bool: Bool, i64: Int, f64: Float);

macro_rules! narrow {
    ($($type:ty),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                let number = i64::from_value(value)?;
                let nearest = if number < 0 { Self::MIN } else { Self::MAX };
                Some(Self::try_from(number).unwrap_or(nearest))
            }
        }
    )*};
}
narrow!(u16, u32, u64, usize, i32);

macro_rules! collected {
    ($($type:ty: $variant:ident),*) => {$(
        impl FromValue for $type {
            fn from_value(value: &Value) -> Option<Self> {
                if let Value::$variant(inner) = value { Some(inner.clone()) } else { None }
            }

            fn unset() -> Option<Self> {
                Some(Self::default())
            }
        }
    )*};
}
collected!(
    Vec<String>: List,
    BTreeMap<String, String>: Dict,
    BTreeMap<String, Vec<String>>: DictOfLists
);
