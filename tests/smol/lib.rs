//! Empty: the package has only tests.
