// Package lib is how libraft gets into a Go program: the archives that `make go-lib` puts into its
// directory, one for each platform, and their header. It has no names of use to anybody else.
//
// It is a package so that the archives are where their module is: `go mod vendor` copies the
// directories of packages, and all that is in them.
package lib
