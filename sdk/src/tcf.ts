// IAB TCF 2.x as a consent rule. Listens through addEventListener alone (getTCData is deprecated) and fails closed:
// measurement waits for the person's choice and is denied where the settings name no vendor id.

import type { Activity, Rule, Verdict } from "./consent.ts";
import { safe } from "./guard.ts";

type Flags = Record<number, boolean | undefined>;

export interface TcData {
  eventStatus?: string;
  gdprApplies?: boolean;
  tcfPolicyVersion?: number;
  purpose?: { consents?: Flags; legitimateInterests?: Flags };
  vendor?: { consents?: Flags; legitimateInterests?: Flags; disclosedVendors?: Flags };
  publisher?: { restrictions?: Record<number, Record<number, number | undefined> | undefined> };
}

type TcfApi = (command: string, version: number, callback: (data: TcData | null, success: boolean) => void) => void;

const PURPOSE: Record<Activity, number> = { tags: 2, measure: 7, behaviour: 7 };
/** The first policy version whose TC strings must carry the disclosed vendors (TCF 2.3). */
const DISCLOSURE_SINCE = 5;
/** Restrictions that a publisher can lay on a purpose. */
const FORBIDDEN = 0;
const CONSENT_ONLY = 1;
const INTEREST_ONLY = 2;

const vendorMay = (data: TcData, purpose: number, vendor: number): boolean => {
  const restricted = data.publisher?.restrictions?.[purpose]?.[vendor];
  if (restricted === FORBIDDEN) return false;
  const disclosed = data.vendor?.disclosedVendors;
  if (disclosed ? !disclosed[vendor] : (data.tcfPolicyVersion ?? 0) >= DISCLOSURE_SINCE) return false;
  const said = (how: "consents" | "legitimateInterests", barred: number): boolean =>
    !!(data.purpose?.[how]?.[purpose] && data.vendor?.[how]?.[vendor] && restricted !== barred);
  return said("consents", INTEREST_ONLY) || said("legitimateInterests", CONSENT_ONLY);
};

/** What decided data says about one activity. */
export const tcfVerdict = (data: TcData, activity: Activity, vendor: number): Verdict => {
  if (data.gdprApplies === false) return "allow";
  const purpose = PURPOSE[activity];
  if (vendor) return vendorMay(data, purpose, vendor) ? "allow" : "deny";
  // Without a vendor id only the purpose itself can be asked, and only showing tags may rest on that.
  const said = data.purpose?.consents?.[purpose] || data.purpose?.legitimateInterests?.[purpose];
  return activity === "tags" && said ? "allow" : "deny";
};

export const tcfRule = (vendor: number, changed: () => void): Rule => {
  let decided: TcData | null = null;
  let heard: TcfApi | null = null;
  return (activity) => {
    const api = (window as { __tcfapi?: unknown }).__tcfapi as TcfApi | undefined;
    if (typeof api !== "function") return "allow";
    if (!heard) {
      heard = api;
      api("addEventListener", 2, safe((data, success) => {
        if (!success || !data || !["tcloaded", "useractioncomplete"].includes(data.eventStatus ?? "")) return;
        decided = data;
        changed();
      }));
    }
    if (decided) return tcfVerdict(decided, activity, vendor);
    return activity === "tags" ? "allow" : "hold";
  };
};
