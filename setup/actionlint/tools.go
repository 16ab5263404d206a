// Package tools pins actionlint and all that it is built from; setup/lint.ts builds it.
package tools

import _ "github.com/rhysd/actionlint/cmd/actionlint"
