//! The report against an independent count, and the page against whoever would break out of it.

#[cfg(test)]
mod figures;
#[cfg(test)]
mod left;
#[cfg(test)]
mod paper;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod world;
