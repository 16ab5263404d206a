# Usage: activate-sysctl FILE KERNEL-FILE...
# Loads a file of sysctl.d(5) into the running kernel.
for kernel_file in "${@:2}"; do remember_kernel_value "$kernel_file"; done
sysctl --quiet --load="$1"
