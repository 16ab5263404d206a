// Package tools pins the newest Node.js language host that the Go module proxy has; it runs programs of newer SDKs.
package tools

import _ "github.com/pulumi/pulumi/sdk/v3/nodejs/cmd/pulumi-language-nodejs"
