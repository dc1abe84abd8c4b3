//! Fixtures, fault-injecting servers and assertions for tests; ships nothing
