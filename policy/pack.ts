import { PolicyPack } from "@pulumi/policy";
import * as pulumi from "@pulumi/pulumi";
import { policies } from "./policies.ts";

new PolicyPack("jts-storage", {
  policies: policies(() => new pulumi.Config("jts-storage").getObject<Record<string, unknown>>("hosts") ?? {}),
});
