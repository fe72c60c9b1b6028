//go:build !linux

package program

import (
	"os/exec"
	"syscall"
)

// waitGroup waits for a command to exit, and then kills what is left of its
// group.
func waitGroup(cmd *exec.Cmd) error {
	err := cmd.Wait()
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	return err
}

// endWithUs can do nothing here: the end of its input must do.
func endWithUs(*syscall.SysProcAttr) {}
