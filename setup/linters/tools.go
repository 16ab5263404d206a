//go:build tools

// Package tools pins the linters that are Go programs.
package tools

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
	_ "mvdan.cc/sh/v3/cmd/shfmt"
)
