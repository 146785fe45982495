/** `{…}` is filled in. */
export type ReceiptWords = {
  title: string
  number: string
  order: string
  placedOn: string
  taxId: string
  billTo: string
  shipTo: string
  item: string
  sku: string
  quantity: string
  unitPrice: string
  tax: string
  amount: string
  discount: string
  itemDiscounts: string
  subtotal: string
  shipping: string
  /** With its rate. */
  taxAt: string
  taxOnShipping: string
  taxIncluded: string
  total: string
  captured: string
  authorized: string
  pending: string
  'not-required': string
  cancelled: string
  cancelledOn: string
  page: string
}

/** The words of a receipt by language. */
export const receiptWords: ReadonlyMap<string, ReceiptWords> = new Map([
  [
    'en',
    {
      title: 'Receipt',
      number: 'Receipt no.',
      order: 'Order',
      placedOn: 'Date',
      taxId: 'Tax ID',
      billTo: 'Billed to',
      shipTo: 'Shipped to',
      item: 'Item',
      sku: 'SKU',
      quantity: 'Qty',
      unitPrice: 'Unit price',
      tax: 'Tax',
      amount: 'Amount',
      discount: 'Discount',
      itemDiscounts: 'Discounts on items',
      subtotal: 'Subtotal',
      shipping: 'Shipping',
      taxAt: 'Tax {rate}',
      taxOnShipping: 'Tax on shipping',
      taxIncluded: 'included',
      total: 'Total',
      captured: 'Paid',
      authorized: 'Payment authorized',
      pending: 'Payment pending',
      'not-required': 'No payment required',
      cancelled: 'Cancelled',
      cancelledOn: 'This order was cancelled on {date}.',
      page: 'Page {page} of {pages}',
    },
  ],
  [
    'de',
    {
      title: 'Beleg',
      number: 'Belegnummer',
      order: 'Bestellung',
      placedOn: 'Datum',
      taxId: 'USt-IdNr.',
      billTo: 'Rechnungsadresse',
      shipTo: 'Lieferadresse',
      item: 'Artikel',
      sku: 'Art.-Nr.',
      quantity: 'Menge',
      unitPrice: 'Einzelpreis',
      tax: 'Steuer',
      amount: 'Betrag',
      discount: 'Rabatt',
      itemDiscounts: 'Rabatt auf Artikel',
      subtotal: 'Zwischensumme',
      shipping: 'Versand',
      taxAt: 'Steuer {rate}',
      taxOnShipping: 'Steuer auf Versand',
      taxIncluded: 'enthalten',
      total: 'Gesamtbetrag',
      captured: 'Bezahlt',
      authorized: 'Zahlung autorisiert',
      pending: 'Zahlung ausstehend',
      'not-required': 'Keine Zahlung erforderlich',
      cancelled: 'Storniert',
      cancelledOn: 'Diese Bestellung wurde am {date} storniert.',
      page: 'Seite {page} von {pages}',
    },
  ],
  [
    'fr',
    {
      title: 'Reçu',
      number: 'Reçu n°',
      order: 'Commande',
      placedOn: 'Date',
      taxId: 'N° TVA',
      billTo: 'Adresse de facturation',
      shipTo: 'Adresse de livraison',
      item: 'Article',
      sku: 'Réf.',
      quantity: 'Qté',
      unitPrice: 'Prix unitaire',
      tax: 'Taxe',
      amount: 'Montant',
      discount: 'Remise',
      itemDiscounts: 'Remises sur articles',
      subtotal: 'Sous-total',
      shipping: 'Livraison',
      taxAt: 'Taxe {rate}',
      taxOnShipping: 'Taxe sur la livraison',
      taxIncluded: 'incluse',
      total: 'Total',
      captured: 'Payé',
      authorized: 'Paiement autorisé',
      pending: 'Paiement en attente',
      'not-required': 'Aucun paiement requis',
      cancelled: 'Annulé',
      cancelledOn: 'Cette commande a été annulée le {date}.',
      page: 'Page {page} sur {pages}',
    },
  ],
  [
    'el',
    {
      title: 'Απόδειξη',
      number: 'Αρ. απόδειξης',
      order: 'Παραγγελία',
      placedOn: 'Ημερομηνία',
      taxId: 'ΑΦΜ',
      billTo: 'Διεύθυνση χρέωσης',
      shipTo: 'Διεύθυνση αποστολής',
      item: 'Είδος',
      sku: 'Κωδικός',
      quantity: 'Ποσ.',
      unitPrice: 'Τιμή μονάδας',
      tax: 'Φόρος',
      amount: 'Ποσό',
      discount: 'Έκπτωση',
      itemDiscounts: 'Εκπτώσεις ειδών',
      subtotal: 'Μερικό σύνολο',
      shipping: 'Μεταφορικά',
      taxAt: 'Φόρος {rate}',
      taxOnShipping: 'Φόρος μεταφορικών',
      taxIncluded: 'περιλαμβάνεται',
      total: 'Σύνολο',
      captured: 'Πληρώθηκε',
      authorized: 'Η πληρωμή εγκρίθηκε',
      pending: 'Εκκρεμεί πληρωμή',
      'not-required': 'Δεν απαιτείται πληρωμή',
      cancelled: 'Ακυρώθηκε',
      cancelledOn: 'Η παραγγελία ακυρώθηκε στις {date}.',
      page: 'Σελίδα {page} από {pages}',
    },
  ],
  [
    'ru',
    {
      title: 'Квитанция',
      number: 'Квитанция №',
      order: 'Заказ',
      placedOn: 'Дата',
      taxId: 'ИНН',
      billTo: 'Плательщик',
      shipTo: 'Адрес доставки',
      item: 'Товар',
      sku: 'Артикул',
      quantity: 'Кол-во',
      unitPrice: 'Цена',
      tax: 'Налог',
      amount: 'Сумма',
      discount: 'Скидка',
      itemDiscounts: 'Скидки на товары',
      subtotal: 'Промежуточный итог',
      shipping: 'Доставка',
      taxAt: 'Налог {rate}',
      taxOnShipping: 'Налог на доставку',
      taxIncluded: 'в том числе',
      total: 'Итого',
      captured: 'Оплачено',
      authorized: 'Оплата авторизована',
      pending: 'Ожидается оплата',
      'not-required': 'Оплата не требуется',
      cancelled: 'Отменён',
      cancelledOn: 'Этот заказ отменён: {date}.',
      page: 'Страница {page} из {pages}',
    },
  ],
])

export function fillIn(words: string, values: Readonly<Record<string, string>>): string {
  return words.replaceAll(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole)
}
