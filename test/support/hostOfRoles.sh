#!/bin/bash
# Makes a blank lab host one as linux-system-roles' storage role leaves it: an own volume group whose data starts at
# 1 MiB, volumes by other names, lines of fstab by UUID, each with defaults.
set -euo pipefail
pvcreate --quiet --dataalignment 1m /dev/nvme0n1
vgcreate --quiet --physicalextentsize 4m data /dev/nvme0n1
declare -A types=(["pgdata"]="xfs" ["queue-1"]="ext4")
for name in pgdata queue-1; do
  lvcreate --quiet --yes --size 3g --name "$name" data
  "mkfs.${types[$name]}" -q "/dev/data/$name"
  mkdir --parents "/opt/$name"
  uuid=$(blkid --probe --match-tag UUID --output value "/dev/data/$name")
  echo "UUID=$uuid /opt/$name ${types[$name]} defaults 0 0" >>/etc/fstab
done
# One more, of the role's kind for swap, and one that nothing mounts.
lvcreate --quiet --yes --size 64m --name swap data
mkswap --quiet /dev/data/swap
lvcreate --quiet --yes --size 64m --name spare data
mkfs.btrfs -q --label archive /dev/sda2
udevadm trigger --action=change --settle /dev/sda2
mkdir --parents /opt/archive
uuid=$(blkid --probe --match-tag UUID --output value /dev/sda2)
echo "UUID=$uuid /opt/archive btrfs defaults,compress=zstd:1 0 0" >>/etc/fstab
useradd --system --user-group --shell /usr/sbin/nologin pg
systemctl daemon-reload
mount --all
chown pg:pg /opt/pgdata
chmod 700 /opt/pgdata
echo precious | tee /opt/pgdata/precious /opt/queue-1/precious /opt/archive/precious >/dev/null
