package dll

// dllsEnv names the directory with the DLLs of testdata/dll, compiled. On a real
// Windows, set it to run their tests there.
const dllsEnv = "RASLINE_TESTDLLS"

// sleepEnv makes the test program a program that does not end by itself.
const sleepEnv = "RASLINE_TESTSLEEP"
