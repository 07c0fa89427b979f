//! A simulator of the part of Microsoft Graph that moves files, with login, content hosts, throttling and faults.
//!
//! It speaks the real protocol, on TCP for any client or in process under a paused clock, and is a function of its
//! configuration: the same seed and the same requests give the same replies. It knows nothing of Landfall and is
//! judged by clients that others wrote. The facts it follows are in the reference on Graph; where that has no answer,
//! [`Config`] has a switch.

mod archive;
mod audit;
mod call;
mod change;
mod compare;
mod config;
mod content;
mod damage;
mod enrich;
mod faults;
mod graph;
mod hash;
mod hub;
mod ids;
mod inspect;
mod line;
mod login;
mod media;
mod names;
mod office;
mod origin;
mod origins;
mod quota;
mod render;
mod reply;
mod route;
mod scenario;
mod serve;
mod sharing;
mod sim;
mod url;
mod world;

pub use archive::{
    Action, Archive, ArchiveAddresses, ArchiveCheck, ArchiveConfig, ExpectedFile, ExpectedLeak, ExpectedPost,
    Harm, Outcome, ServedArchive,
};
pub use audit::Requests;
pub use change::{ChangeError, WorldOp};
pub use compare::Compare;
pub use config::{Config, Faults, Quota, Rewriting, Scenario, UnknownName};
pub use damage::{DamageError, DamageOrder, Damaged};
pub use faults::{Fault, FaultRule};
pub use hash::{QuickXor, quick_xor, to_base64};
pub use hub::{
    HubCommit, HubConfig, HubFault, HubFaultRule, HubFile, HubRequests, HubRoute, HubSim, HubToken, ServedHub,
};
pub use media::{
    MediaConfig, MediaKey, MediaKind, MediaRequests, MediaSim, Medium, PhotoSize, ServedMedia, Trouble,
};
pub use office::Library;
pub use serve::Served;
pub use sim::{CallError, Sim, TreeEntry};
