//go:build !with_tla

// The types of the state trace, as go.etcd.io/raft has them by default. libraft traces nothing.

package raft

// StateTraceDeployed says whether the package was built with the tag with_tla.
const StateTraceDeployed = false

// TraceLogger is the type of Config.TraceLogger, which is not used.
type TraceLogger any

// TracingEvent has something in it only with the build tag with_tla.
type TracingEvent struct{}
