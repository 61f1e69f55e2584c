// Empty. With it, the compiler takes a function without a body (inside.go) for one that is
// defined elsewhere.
