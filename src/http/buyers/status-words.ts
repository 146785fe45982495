import type { BuyerState } from '#orders/buyer-story.ts'

export const languages = ['en', 'de', 'fr'] as const

export type Language = (typeof languages)[number]

type Words = Record<BuyerState, string> & {
  /** Before the order's number. */
  order: string
  unknown: string
  unknownHint: string
  later: string
  laterHint: string
}

/** What buyers read. */
export const words: Record<Language, Words> = {
  en: {
    order: 'Order',
    'awaiting-payment': 'Waiting for your payment',
    'payment-declined': 'Payment declined',
    received: 'Received',
    preparing: 'Being prepared',
    confirmed: 'Confirmed',
    cancelled: 'Cancelled',
    unknown: 'There is no order here',
    unknownHint: 'Please check the link, or ask the shop.',
    later: 'Please try again in a moment',
    laterHint: 'Your order is safe; it just cannot be shown right now.',
  },
  de: {
    order: 'Bestellung',
    'awaiting-payment': 'Wartet auf Ihre Zahlung',
    'payment-declined': 'Zahlung abgelehnt',
    received: 'Eingegangen',
    preparing: 'In Bearbeitung',
    confirmed: 'Bestätigt',
    cancelled: 'Storniert',
    unknown: 'Hier ist keine Bestellung',
    unknownHint: 'Bitte prüfen Sie den Link, oder fragen Sie im Shop nach.',
    later: 'Bitte versuchen Sie es gleich noch einmal',
    laterHint: 'Ihre Bestellung ist sicher; sie kann nur gerade nicht angezeigt werden.',
  },
  fr: {
    order: 'Commande',
    'awaiting-payment': 'En attente de votre paiement',
    'payment-declined': 'Paiement refusé',
    received: 'Reçue',
    preparing: 'En préparation',
    confirmed: 'Confirmée',
    cancelled: 'Annulée',
    unknown: 'Aucune commande ici',
    unknownHint: 'Veuillez vérifier le lien ou demander à la boutique.',
    later: 'Veuillez réessayer dans un instant',
    laterHint:
      'Votre commande est enregistrée ; elle ne peut simplement pas être affichée pour le moment.',
  },
}

/** The language of a BCP 47 tag, or of the first of a browser's that we speak; English for everybody else. */
export function languageOf(tags: string | null | undefined): Language {
  const asked = (tags ?? '').split(',').map((tag) => tag.trim().split(/[-;]/)[0]?.toLowerCase())
  return asked.flatMap((tag) => languages.filter((language) => language === tag))[0] ?? 'en'
}

/** A time for people, in UTC and said so: where the buyer is, only their browser knows. */
export function sayTime(at: string, locale: string | null): string {
  const language = languageOf(locale)
  const tag =
    locale !== null && languageOf(locale) === locale.slice(0, 2).toLowerCase() ? locale : language
  const format = { dateStyle: 'long', timeStyle: 'short', timeZone: 'UTC' } as const
  return `${formatter(tag, language, format).format(new Date(at))} UTC`
}

// What looks like a tag need not be one.
function formatter(tag: string, language: Language, format: Intl.DateTimeFormatOptions) {
  try {
    return new Intl.DateTimeFormat(tag, format)
  } catch {
    return new Intl.DateTimeFormat(language, format)
  }
}
