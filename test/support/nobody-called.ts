/** The demo shop's targets, where nobody answers: for processes that have nothing to call. */
export const nobodyCalled = {
  ERP_URL: 'http://127.0.0.1:1/',
  INVENTORY_EU_URL: 'http://127.0.0.1:1/',
  INVENTORY_US_URL: 'http://127.0.0.1:1/',
  INVENTORY_ASIA_URL: 'http://127.0.0.1:1/',
  CRM_URL: 'http://127.0.0.1:1/',
  SHIPPING_URL: 'http://127.0.0.1:1/',
  SMS_URL: 'http://127.0.0.1:1/',
  PUSH_URL: 'http://127.0.0.1:1/',
  ANALYTICS_URL: 'http://127.0.0.1:1/',
  PARTNER_URL: 'https://partner.example/',
  PARTNER_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  SMTP_URL: 'smtp://127.0.0.1:1',
  PAYMENT_URL: 'http://127.0.0.1:1/',
  PAYMENT_KEY: 'none',
  EMAIL_FROM: 'shop@example.com',
  PORT: '0',
}
