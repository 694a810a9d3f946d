package dialup

// RunOnPipes is how Handover runs a program where there are no pseudo-terminals.
var RunOnPipes = (*Conn).runOnPipes
