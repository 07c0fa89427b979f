//! The program as a person has it: the binary, a simulator that the binary serves, real sockets and files.

#[cfg(test)]
mod bad_input;
#[cfg(test)]
mod end_to_end;
#[cfg(test)]
mod support;
