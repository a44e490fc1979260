//! Keeps builds that reports do not need yet from taking the machine.

pub(crate) mod limit;

pub(crate) mod limits;

pub(crate) mod batch_size;

pub mod slots;

pub(crate) mod throttle;
