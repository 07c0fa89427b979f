//! A scratch PostgreSQL server for tests.
