// Command policyHost is a Node.js language host that also runs policy packs. The newest host that the Go module proxy
// has, from setup/languageHost, can't: its RunPlugin says "not supported". Everything else is handed on to it. It lies
// beside this program, as nodejs-program-host.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

func main() {
	if err := serve(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// engineLooks is how often this program looks whether the engine is still there, after which neither host stays.
const engineLooks = 5 * time.Second

// serve prints its port, and ends with the engine, whose address is the last argument.
func serve(args []string) error {
	// The kernel ends the other host with the thread that started it.
	runtime.LockOSThread()
	port, err := startProgramHost(args)
	if err != nil {
		return fmt.Errorf("could not start the host of programs: %w", err)
	}
	connection, err := grpc.NewClient("127.0.0.1:"+port,
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return err
	}
	engineGone, cancel := context.WithCancel(context.Background())
	defer cancel()
	stop := make(chan bool)
	if len(args) > 0 {
		if err := rpcutil.Healthcheck(engineGone, args[len(args)-1], engineLooks, cancel); err != nil {
			return err
		}
	}
	go func() {
		<-engineGone.Done()
		close(stop)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, &host{programs: pulumirpc.NewLanguageRuntimeClient(connection)})
			return nil
		},
	})
	if err != nil {
		return err
	}
	fmt.Println(handle.Port)
	return <-handle.Done
}

// startProgramHost gives the port that the other host serves at. What it prints afterwards is passed on.
func startProgramHost(args []string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	command := exec.Command(filepath.Join(filepath.Dir(self), "nodejs-program-host"), args...)
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	command.Stderr = os.Stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := command.Start(); err != nil {
		return "", err
	}
	reader := bufio.NewReader(output)
	port, err := reader.ReadString('\n')
	if err != nil {
		return "", err
	}
	go func() { _, _ = io.Copy(os.Stdout, reader) }()
	return strings.TrimSpace(port), nil
}

type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer
	programs pulumirpc.LanguageRuntimeClient
}

func (h *host) GetRequiredPlugins(
	ctx context.Context, request *pulumirpc.GetRequiredPluginsRequest,
) (*pulumirpc.GetRequiredPluginsResponse, error) {
	return h.programs.GetRequiredPlugins(ctx, request)
}

func (h *host) Run(ctx context.Context, request *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	return h.programs.Run(ctx, request)
}

func (h *host) GetPluginInfo(ctx context.Context, request *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return h.programs.GetPluginInfo(ctx, request)
}

func (h *host) About(ctx context.Context, request *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	return h.programs.About(ctx, request)
}

func (h *host) GetProgramDependencies(
	ctx context.Context, request *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	return h.programs.GetProgramDependencies(ctx, request)
}

func (h *host) InstallDependencies(
	request *pulumirpc.InstallDependenciesRequest, answers pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	stream, err := h.programs.InstallDependencies(answers.Context(), request)
	for err == nil {
		var answer *pulumirpc.InstallDependenciesResponse
		if answer, err = stream.Recv(); err == nil {
			err = answers.Send(answer)
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// RunPlugin runs a policy pack in its own folder, as @pulumi/policy expects, with the stack's configuration in its
// environment. The engine sends that only to a policy pack: until this one runs, the SDK's proxy stands in for it.
func (h *host) RunPlugin(
	request *pulumirpc.RunPluginRequest, answers pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	if request.Kind != "analyzer" {
		return status.Errorf(codes.Unimplemented, "plugins of kind %q", request.Kind)
	}
	ctx, pack := answers.Context(), request.Info.ProgramDirectory
	streams, stdout, stderr, err := rpcutil.MakeRunPluginStreams(answers, false)
	if err != nil {
		return err
	}
	defer streams.Close()
	find := exec.CommandContext(ctx, "node", "-p", "require.resolve('@pulumi/pulumi/cmd/run-policy-pack')")
	find.Dir, find.Stderr = pack, stderr
	runner, err := find.Output()
	if err != nil {
		return fmt.Errorf("@pulumi/pulumi is not installed where %s could import it; Next: npm ci: %w", pack, err)
	}
	proxy, stdout, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return err
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return err
	}
	args := append([]string{strings.TrimSpace(string(runner))}, request.Args...)
	command := exec.CommandContext(ctx, "node", append(args, pack)...)
	command.Dir, command.Stdout, command.Stderr = pack, stdout, stderr
	command.Env = append(request.Env, environment(stack)...)
	if err := command.Start(); err != nil {
		return err
	}
	return proxy.Attach(ctx, command)
}

// environment is what a program would find, too.
func environment(stack *pulumirpc.AnalyzerStackConfigureRequest) []string {
	if stack == nil {
		return nil
	}
	config, err := json.Marshal(stack.Config)
	if err != nil {
		panic(err) // Never: it maps texts to texts.
	}
	return []string{
		"PULUMI_CONFIG=" + string(config),
		"PULUMI_NODEJS_ORGANIZATION=" + stack.Organization,
		"PULUMI_NODEJS_PROJECT=" + stack.Project,
		"PULUMI_NODEJS_STACK=" + stack.Stack,
		"PULUMI_NODEJS_DRY_RUN=" + strconv.FormatBool(stack.DryRun),
	}
}
