#!/usr/bin/env python3
"""Makes test/fixtures/documents: small files as common tools write them.

Needs: pip install reportlab python-docx pypdf
"""

from pathlib import Path

import docx
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from pypdf import PdfReader, PdfWriter
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import PageBreak, Paragraph, SimpleDocTemplate, Spacer

FOLDER = Path(__file__).parent.parent / 'test' / 'fixtures' / 'documents'
HAUL = 'The windlass hauls the anchor where the harbour is too deep for hands. '
ROPE = 'Ropes wear, and a careful bosun checks them at every change of the watch. '


def make_pdfs():
    styles = getSampleStyleSheet()
    story = [
        Paragraph('Anchors', styles['Heading1']),
        Paragraph(HAUL * 3, styles['BodyText']),
        Spacer(1, 8),
        Paragraph(ROPE * 3, styles['BodyText']),
        PageBreak(),
        Paragraph('Ropes', styles['Heading1']),
        Paragraph('Kedge anchors weigh 80 kg.', styles['BodyText']),
    ]
    path = FOLDER / 'handbook.pdf'
    SimpleDocTemplate(str(path), title='Harbour handbook', invariant=1).build(story)

    encrypted = PdfWriter(clone_from=PdfReader(path))
    encrypted.encrypt('secret', algorithm='RC4-128')
    encrypted.write(FOLDER / 'encrypted.pdf')

    empty = PdfWriter()
    empty.add_blank_page(200, 200)
    empty.write(FOLDER / 'no-text.pdf')


def make_docx():
    document = docx.Document()
    document.core_properties.title = 'Deck manual'
    document.add_heading('Deck manual', 0)
    document.add_heading('Anchors', 1)
    document.add_paragraph(HAUL)
    document.add_paragraph('Bower', style='List Bullet')
    document.add_paragraph('Kedge', style='List Number')
    document.add_heading('Weights', 2)
    table = document.add_table(rows=1, cols=2)
    table.style = 'Table Grid'
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = 'Name', 'Weight'
    for name, weight in (('Bower', '300 kg'), ('Kedge', '80 kg')):
        cells = table.add_row().cells
        cells[0].text, cells[1].text = name, weight
    document.add_paragraph('Salt & <spray> in עברית and 漢字')
    changed = document.add_paragraph('Kept. ')
    deletion = OxmlElement('w:del')
    run = OxmlElement('w:r')
    text = OxmlElement('w:delText')
    text.text = 'Deleted.'
    run.append(text)
    deletion.append(run)
    changed._p.append(deletion)
    hidden = changed.add_run('Hidden.')
    hidden.font.hidden = True
    assert changed._p.find(qn('w:del')) is not None
    document.save(str(FOLDER / 'manual.docx'))


if __name__ == '__main__':
    FOLDER.mkdir(parents=True, exist_ok=True)
    make_pdfs()
    make_docx()
