// Package tools pins the Pulumi CLI and all that it is built from; setup/tools.ts builds it where no release can be
// downloaded.
package tools

import _ "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
