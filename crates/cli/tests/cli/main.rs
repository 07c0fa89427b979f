//! The program as a person has it: the binary, a simulator that the binary serves, real sockets and files.

#[cfg(test)]
mod archive;
#[cfg(test)]
mod archive_bad;
#[cfg(test)]
mod archive_servers;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod closed;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod lasting;
#[cfg(test)]
mod ledger;
#[cfg(test)]
mod left;
#[cfg(test)]
mod manifest;
#[cfg(test)]
mod report;
#[cfg(test)]
mod restore;
#[cfg(test)]
mod seal;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod support;
