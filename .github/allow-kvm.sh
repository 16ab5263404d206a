#!/usr/bin/env bash
# Allows the user of a GitHub runner to open /dev/kvm, which its image reserves for root and the group kvm. Without KVM
# the lab's machines are emulated, some ten times slower. Does nothing on a machine without /dev/kvm.
set -euo pipefail
[[ -e /dev/kvm ]] || exit 0
echo 'KERNEL=="kvm", GROUP="kvm", MODE="0666", OPTIONS+="static_node=kvm"' |
  sudo tee /etc/udev/rules.d/99-kvm.rules >/dev/null
sudo udevadm control --reload-rules
sudo udevadm trigger --settle --name-match=kvm
