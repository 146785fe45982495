/**
 * What the demo store's configuration file names, pointing to the simulated targets. A variable that is
 * set counts more: `ERP_URL=… npm start` calls a real ERP and simulates the rest.
 */
export function simulatedVariables(simulator: {
  url: string
  smtpUrl: string
}): Record<string, string> {
  return {
    ERP_URL: `${simulator.url}/erp`,
    INVENTORY_EU_URL: `${simulator.url}/inventory-eu`,
    INVENTORY_US_URL: `${simulator.url}/inventory-us`,
    INVENTORY_ASIA_URL: `${simulator.url}/inventory-asia`,
    CRM_URL: `${simulator.url}/crm`,
    SHIPPING_URL: `${simulator.url}/shipping`,
    SMS_URL: `${simulator.url}/sms`,
    PUSH_URL: `${simulator.url}/push`,
    ANALYTICS_URL: `${simulator.url}/analytics`,
    PARTNER_URL: `${simulator.url}/partner-webhook`,
    // Signs nothing but simulated calls.
    PARTNER_SECRET: 'whsec_b3JkZXJ3aGVlbC1kZXZlbG9wbWVudC1zZWNyZXQ=',
    PARTNER_ALLOW_PRIVATE: new URL(simulator.url).hostname,
    SMTP_URL: simulator.smtpUrl,
    PAYMENT_URL: `${simulator.url}/payment`,
    PAYMENT_KEY: 'simulated',
    EMAIL_FROM: 'Demo Shop <orders@shop.example>',
  }
}

/** `variables` with those of `defaults` that are missing or empty. */
export function fillIn(
  variables: Readonly<Record<string, string | undefined>>,
  defaults: Record<string, string>,
): Record<string, string | undefined> {
  const missing = Object.entries(defaults).filter(([name]) => !variables[name])
  return { ...variables, ...Object.fromEntries(missing) }
}
