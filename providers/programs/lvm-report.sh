# shellcheck shell=bash
# Sourced by programs. lvm_report pvs|vgs|lvs ARGUMENT...: what LVM reports, one line for each, in words and bytes,
# whatever lvm.conf(5) sets for reports.
lvm_report() {
  local config='report { columns_as_rows=0 prefixes=0 } log { report_command_log=0 verbose=0 }' kind=$1
  "$kind" --config "$config" --reportformat basic --separator ' ' --noheadings --nosuffix --units b "${@:2}"
}
