//! The parts of Yellowstone's messages that are written or read. The numbers are those of `geyser.proto` and `solana-storage.proto` in
//! `rpcpool/yellowstone-grpc`; a test reads bytes that these files' own compiler made.
#![allow(missing_docs, reason = "those files say it")]

use {prost::Message, std::collections::HashMap};

/// The level of commitment of what is final, and the status of a slot that is.
pub const FINALIZED: i32 = 2;

#[derive(Clone, PartialEq, Message)]
pub struct SubscribeRequest {
    #[prost(map = "string, message", tag = "2")]
    pub slots: HashMap<String, SlotFilter>,
    #[prost(map = "string, message", tag = "3")]
    pub transactions: HashMap<String, TransactionFilter>,
    #[prost(map = "string, message", tag = "5")]
    pub blocks_meta: HashMap<String, BlockFilter>,
    #[prost(int32, optional, tag = "6")]
    pub commitment: Option<i32>,
    #[prost(message, optional, tag = "9")]
    pub ping: Option<Ping>,
    /// The first slot to be told again.
    #[prost(uint64, optional, tag = "11")]
    pub from_slot: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct SlotFilter {
    /// Only the status that is subscribed to.
    #[prost(bool, optional, tag = "1")]
    pub filter_by_commitment: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TransactionFilter {
    #[prost(bool, optional, tag = "1")]
    pub vote: Option<bool>,
    #[prost(bool, optional, tag = "2")]
    pub failed: Option<bool>,
    /// Transactions that name one of these.
    #[prost(string, repeated, tag = "3")]
    pub account_include: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct BlockFilter {}

#[derive(Clone, PartialEq, Message)]
pub struct Ping {
    #[prost(int32, tag = "1")]
    pub id: i32,
}

#[derive(Clone, PartialEq, Message)]
pub struct SubscribeUpdate {
    #[prost(oneof = "Update", tags = "3, 4, 6, 7")]
    pub update: Option<Update>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[allow(
    clippy::large_enum_variant,
    reason = "each is moved once, and soon gone"
)]
pub enum Update {
    #[prost(message, tag = "3")]
    Slot(Slot),
    #[prost(message, tag = "4")]
    Transaction(Landed),
    /// To be answered: balancers in between end what is silent.
    #[prost(message, tag = "6")]
    Ping(Empty),
    #[prost(message, tag = "7")]
    Block(Block),
}

#[derive(Clone, PartialEq, Message)]
pub struct Empty {}

#[derive(Clone, PartialEq, Message)]
pub struct Slot {
    #[prost(uint64, tag = "1")]
    pub slot: u64,
    #[prost(uint64, optional, tag = "2")]
    pub parent: Option<u64>,
    #[prost(int32, tag = "3")]
    pub status: i32,
}

/// What is told of a block beside its transactions.
#[derive(Clone, PartialEq, Message)]
pub struct Block {
    #[prost(uint64, tag = "1")]
    pub slot: u64,
    #[prost(message, optional, tag = "4")]
    pub block_time: Option<UnixTimestamp>,
    #[prost(uint64, tag = "6")]
    pub parent_slot: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct UnixTimestamp {
    #[prost(int64, tag = "1")]
    pub timestamp: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Landed {
    #[prost(message, optional, tag = "1")]
    pub transaction: Option<Info>,
    #[prost(uint64, tag = "2")]
    pub slot: u64,
}

/// A transaction with its metadata.
#[derive(Clone, PartialEq, Message)]
pub struct Info {
    #[prost(bytes = "vec", tag = "1")]
    pub signature: Vec<u8>,
    #[prost(message, optional, tag = "3")]
    pub transaction: Option<Transaction>,
    #[prost(message, optional, tag = "4")]
    pub meta: Option<Meta>,
    /// Its place in the block.
    #[prost(uint64, tag = "5")]
    pub index: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct Transaction {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub signatures: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "2")]
    pub message: Option<TransactionMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TransactionMessage {
    #[prost(message, optional, tag = "1")]
    pub header: Option<Header>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub account_keys: Vec<Vec<u8>>,
    #[prost(bytes = "vec", tag = "3")]
    pub recent_blockhash: Vec<u8>,
    #[prost(message, repeated, tag = "4")]
    pub instructions: Vec<Instruction>,
    /// Whether it is not a legacy one.
    #[prost(bool, tag = "5")]
    pub versioned: bool,
    #[prost(message, repeated, tag = "6")]
    pub address_table_lookups: Vec<Lookup>,
    /// Only version 1 has it.
    #[prost(message, optional, tag = "7")]
    pub config: Option<Config>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Header {
    #[prost(uint32, tag = "1")]
    pub num_required_signatures: u32,
    #[prost(uint32, tag = "2")]
    pub num_readonly_signed_accounts: u32,
    #[prost(uint32, tag = "3")]
    pub num_readonly_unsigned_accounts: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct Lookup {
    #[prost(bytes = "vec", tag = "1")]
    pub account_key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub writable_indexes: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub readonly_indexes: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Config {
    #[prost(uint64, optional, tag = "1")]
    pub priority_fee: Option<u64>,
    #[prost(uint32, optional, tag = "2")]
    pub compute_unit_limit: Option<u32>,
    #[prost(uint32, optional, tag = "3")]
    pub loaded_accounts_data_size_limit: Option<u32>,
    #[prost(uint32, optional, tag = "4")]
    pub heap_size: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Instruction {
    #[prost(uint32, tag = "1")]
    pub program_id_index: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub accounts: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Meta {
    #[prost(message, optional, tag = "1")]
    pub err: Option<Failure>,
    #[prost(uint64, tag = "2")]
    pub fee: u64,
    #[prost(uint64, repeated, tag = "3")]
    pub pre_balances: Vec<u64>,
    #[prost(uint64, repeated, tag = "4")]
    pub post_balances: Vec<u64>,
    #[prost(message, repeated, tag = "5")]
    pub inner_instructions: Vec<InnerInstructions>,
    #[prost(string, repeated, tag = "6")]
    pub log_messages: Vec<String>,
    #[prost(message, repeated, tag = "7")]
    pub pre_token_balances: Vec<TokenBalance>,
    #[prost(message, repeated, tag = "8")]
    pub post_token_balances: Vec<TokenBalance>,
    /// Blocks have rewards, transactions have none.
    #[prost(message, repeated, tag = "9")]
    pub rewards: Vec<Empty>,
    /// Whether they were not recorded.
    #[prost(bool, tag = "10")]
    pub inner_instructions_none: bool,
    #[prost(bool, tag = "11")]
    pub log_messages_none: bool,
    #[prost(bytes = "vec", repeated, tag = "12")]
    pub loaded_writable_addresses: Vec<Vec<u8>>,
    #[prost(bytes = "vec", repeated, tag = "13")]
    pub loaded_readonly_addresses: Vec<Vec<u8>>,
    #[prost(message, optional, tag = "14")]
    pub return_data: Option<ReturnData>,
    #[prost(uint64, optional, tag = "16")]
    pub compute_units_consumed: Option<u64>,
    #[prost(uint64, optional, tag = "17")]
    pub cost_units: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Failure {}

#[derive(Clone, PartialEq, Message)]
pub struct InnerInstructions {
    #[prost(uint32, tag = "1")]
    pub index: u32,
    #[prost(message, repeated, tag = "2")]
    pub instructions: Vec<InnerInstruction>,
}

#[derive(Clone, PartialEq, Message)]
pub struct InnerInstruction {
    #[prost(uint32, tag = "1")]
    pub program_id_index: u32,
    #[prost(bytes = "vec", tag = "2")]
    pub accounts: Vec<u8>,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
    #[prost(uint32, optional, tag = "4")]
    pub stack_height: Option<u32>,
}

#[derive(Clone, PartialEq, Message)]
pub struct TokenBalance {
    #[prost(uint32, tag = "1")]
    pub account_index: u32,
    #[prost(string, tag = "2")]
    pub mint: String,
    #[prost(message, optional, tag = "3")]
    pub ui_token_amount: Option<TokenAmount>,
    #[prost(string, tag = "4")]
    pub owner: String,
    #[prost(string, tag = "5")]
    pub program_id: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct TokenAmount {
    #[prost(double, tag = "1")]
    pub ui_amount: f64,
    #[prost(uint32, tag = "2")]
    pub decimals: u32,
    #[prost(string, tag = "3")]
    pub amount: String,
    #[prost(string, tag = "4")]
    pub ui_amount_string: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ReturnData {
    #[prost(bytes = "vec", tag = "1")]
    pub program_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
}
