//! What a request may say, written once: the fields, their names in a query, and how a reader writes them there.

/// A page's parameters.
pub trait Request {
    /// Their names.
    const PARAMS: &'static [&'static str];
}

/// A request without parameters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoParams;

impl Request for NoParams {
    const PARAMS: &'static [&'static str] = &[];
}

/// Defines requests: every field may be left out.
macro_rules! requests {
    ($($(#[$doc:meta])* $name:ident { $($(#[$said:meta])* $field:ident: $type:ty),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, utoipa::IntoParams)]
        #[into_params(parameter_in = Query)]
        pub struct $name {
            $(
                $(#[$said])*
                pub $field: Option<$type>,
            )+
        }

        impl $crate::request::Request for $name {
            const PARAMS: &'static [&'static str] = &[$(stringify!($field)),+];
        }

        impl $name {
            /// Its parameters, for a query.
            pub fn query(&self) -> Vec<(&'static str, String)> {
                let all = [$((stringify!($field), self.$field.as_ref().map(ToString::to_string))),+];
                let said = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
                said.collect()
            }
        }
    )+ };
}

pub(crate) use requests;
