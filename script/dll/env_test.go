package dll

// dllsEnv names the folder with the DLLs of testdata/dll, compiled. On a real
// Windows, set it to run their tests there.
const dllsEnv = "RASLINE_TESTDLLS"
