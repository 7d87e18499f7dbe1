//! How a result is made sure.

use crate::codes::codes;

codes! {
    /// What a settled result is worth as evidence; shown beside every number.
    pub enum Assurance: "assurance" {
        /// A wrong result can be convicted on chain
        Refereed = 1 "refereed",
        /// The client reviews the result; silence accepts it
        Reviewed = 2 "reviewed",
        // 3: metered channels, 4: committees.
    }
}
