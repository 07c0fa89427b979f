//! The crate as others use it: on real files, on hostile ones, on drawn changes.

#[cfg(test)]
mod common;
#[cfg(test)]
mod drawn;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod real;
