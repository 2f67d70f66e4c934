package abi

// CodeInvalidConfig is the code of an Error, or the detail "code" of a TestResult, by
// which a module says that its config is wrong: asking again does not help, somebody has
// to mend it.
const CodeInvalidConfig = "invalid_config"
