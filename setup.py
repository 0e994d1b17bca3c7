"""Installs the package. Every fact it needs stands in settings.ini; change it there."""
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
ini = ConfigParser(delimiters=['='], interpolation=None)
ini.read(here/'settings.ini', encoding='utf-8')
facts = ini['DEFAULT']
words = lambda key: facts.get(key, '').split()
extras = {key.removesuffix('_requirements'): words(key) for key in facts if key.endswith('_requirements')}
readme = here/'README.md'

setup(
    name=facts['lib_name'], version=facts['version'], description=facts['description'],
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown', keywords=facts['keywords'],
    author=facts['author'], author_email=facts['author_email'], license='Apache-2.0',
    url=f"https://github.com/{facts['user']}/{facts['repo']}",
    python_requires=f">={facts['min_python']}",
    install_requires=words('requirements'), extras_require=extras,
    packages=find_packages(include=[facts['lib_path'], facts['lib_path'] + '.*']),
    package_data={facts['lib_path']: ['configs/*.yaml', 'static/*']},
    entry_points={'console_scripts': words('console_scripts'),
                  'nbdev': [f"{facts['lib_path']}={facts['lib_path']}._modidx:d"]},
    classifiers=['Programming Language :: Python :: 3.11', 'Programming Language :: Python :: 3.12',
                 'License :: OSI Approved :: Apache Software License', 'Intended Audience :: Developers',
                 'Topic :: Scientific/Engineering :: Artificial Intelligence'],
    zip_safe=False)
