/** The demo shop's targets, where nobody answers: for processes that have nothing to call. */
export const nobodyCalled = {
  ERP_URL: 'http://127.0.0.1:1/',
  ANALYTICS_URL: 'http://127.0.0.1:1/',
  PARTNER_URL: 'https://partner.example/',
  PARTNER_SECRET: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
  SMTP_URL: 'smtp://127.0.0.1:1',
  EMAIL_FROM: 'shop@example.com',
  PORT: '0',
}
